select level, rank, label
  from {{ source('risk_bi', 'risk_levels') }}
