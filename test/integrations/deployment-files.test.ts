// The files for deployment, compared with the program: names of settings, ports, secrets, times.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { readConfig } from '../../src/config.ts';
import { Environment, SECRETS } from '../../src/settings/environment.ts';

type Compose = {
  services: Record<string, Service>;
  secrets: Record<string, { file: string }>;
};
type Service = {
  image: string;
  environment?: Record<string, string>;
  secrets?: (string | { source: string; target: string })[];
  volumes?: string[];
  ports?: string[];
  read_only?: boolean;
  stop_grace_period?: string;
  networks?: { default: { aliases: string[] } };
};
type Probe = { httpGet: { path: string; port: string } };
type Container = {
  env: { name: string; value: string }[];
  ports: { name: string; containerPort: number }[];
  volumeMounts: { name: string; mountPath: string }[];
} & Record<'startupProbe' | 'livenessProbe' | 'readinessProbe', Probe>;

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const ours = Object.entries(compose.services).filter(([, service]) => service.image === 'zt-risk-sync');
const readable = new Set([
  ...Object.keys(Environment.shape),
  ...SECRETS.map((name) => `${name}_FILE`),
  // A variable of the C library.
  'MALLOC_ARENA_MAX',
]);
const { port: defaultPort } = readConfig({ env: {}, envFile: null }).http;
const STOP_SECONDS = 45;

function assertReadable(names: readonly string[], where: string): void {
  assert.ok(names.length > 0, where);
  for (const name of names) assert.ok(readable.has(name), `${where}: nothing reads ${name}`);
}

test('every YAML file of integrations/ can be parsed', () => {
  const files = readdirSync(path.join(root, 'integrations'), { recursive: true, encoding: 'utf8' }).filter(
    (file) => /\.ya?ml$/.test(file),
  );
  assert.ok(files.length >= 8);
  for (const file of files)
    for (const document of parseAllDocuments(read(`integrations/${file}`)))
      assert.deepEqual(document.errors, [], file);
});

describe('Dockerfile', () => {
  const final =
    read('Dockerfile')
      .split(/^FROM /m)
      .at(-1) ?? '';
  test('ends with a numeric user, on the default port, without a shell', () => {
    assert.match(final, /^USER [1-9]\d*:[1-9]\d*$/m);
    assert.match(final, new RegExp(`^EXPOSE ${defaultPort}$`, 'm'));
    for (const instruction of ['ENTRYPOINT', 'CMD'])
      for (const [, form = ''] of final.matchAll(new RegExp(`^ *${instruction} (.+)$`, 'gm')))
        assert.ok(Array.isArray(JSON.parse(form)), form);
  });
});

describe('docker-compose.yml', () => {
  test('sets only variables that the program reads', () => {
    for (const [name, { environment = {} }] of ours)
      if (name !== 'simulator') assertReadable(Object.keys(environment), name);
  });

  test('gives each service the secrets that its settings name, and puts no password in a variable', () => {
    for (const [name, { environment = {}, secrets = [] }] of Object.entries(compose.services)) {
      const named = Object.values(environment).flatMap((value) => /^\/run\/secrets\/(.+)$/.exec(value) ?? []);
      for (const secret of named.filter((_, index) => index % 2 === 1))
        assert.ok(secrets.includes(secret), `${name}: ${secret}`);
      for (const secret of secrets.map((secret) => (typeof secret === 'string' ? secret : secret.source)))
        assert.ok(secret in compose.secrets, `${name}: ${secret}`);
      for (const variable of SECRETS) assert.ok(!(variable in environment), `${name}: ${variable}`);
    }
  });

  test('takes every secret from a file that make-secrets.sh creates', () => {
    const made = [...read('integrations/compose/make-secrets.sh').matchAll(/^put ([a-z_]+) /gm)].map(
      (match) => match[1],
    );
    assert.deepEqual(made.toSorted(), Object.keys(compose.secrets).toSorted());
    for (const [name, { file }] of Object.entries(compose.secrets))
      assert.equal(file, `\${SECRETS_DIR:-./secrets}/${name}`);
  });

  test('publishes no port beyond loopback', () => {
    for (const { ports = [] } of Object.values(compose.services))
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:/);
  });

  test("keeps our image's root file system read-only, and gives the worker time to finish", () => {
    assert.ok(ours.length >= 3);
    for (const [name, service] of ours) assert.equal(service.read_only, true, name);
    assert.equal(compose.services['worker']?.stop_grace_period, `${STOP_SECONDS}s`);
  });

  test('simulator.env sets only what the compose file takes from outside', () => {
    const names = [...read('integrations/compose/simulator.env').matchAll(/^([A-Z_]+)=/gm)].map(
      (match) => match[1] ?? '',
    );
    assert.ok(names.length > 5);
    for (const name of names.filter((name) => !name.startsWith('COMPOSE_')))
      assert.ok(read('docker-compose.yml').includes(`\${${name}:-`), name);
  });

  test('gives Prometheus the worker and the token where its configuration looks for them', () => {
    const { scrape_configs: jobs } = parse(read('integrations/prometheus/prometheus.yml')) as {
      scrape_configs: {
        authorization: { credentials_file: string };
        static_configs: { targets: string[] }[];
      }[];
    };
    const { prometheus, worker } = compose.services;
    assert.deepEqual(
      jobs.flatMap((job) => job.static_configs.flatMap(({ targets }) => targets)),
      worker?.networks?.default.aliases.map((alias) => `${alias}:${defaultPort}`),
    );
    for (const { authorization } of jobs)
      assert.ok(
        prometheus?.secrets?.some(
          (secret) =>
            typeof secret !== 'string' && `/run/secrets/${secret.target}` === authorization.credentials_file,
        ),
      );
  });

  test("mounts the folders that Grafana's provisioning names", () => {
    const { secrets = [], volumes = [] } = compose.services['grafana'] ?? assert.fail();
    const datasource = read('integrations/grafana/provisioning/datasources/zt-risk-sync.yml');
    const password = /\$__file\{\/run\/secrets\/(\w+)\}/.exec(datasource)?.[1] ?? assert.fail();
    assert.ok(secrets.includes(password));
    const provider = parse(read('integrations/grafana/provisioning/dashboards/zt-risk-sync.yml')) as {
      providers: { options: { path: string } }[];
    };
    for (const { options } of provider.providers)
      assert.ok(volumes.some((volume) => volume.split(':')[1] === options.path));
  });
});

describe('integrations/kubernetes', () => {
  const folder = 'integrations/kubernetes';
  const yaml = (file: string): unknown => parse(read(`${folder}/${file}`));
  const { resources, configMapGenerator } = yaml('kustomization.yaml') as {
    resources: string[];
    configMapGenerator: { literals: string[] }[];
  };
  const { spec } = (
    yaml('deployment.yaml') as {
      spec: {
        template: {
          spec: {
            terminationGracePeriodSeconds: number;
            containers: Container[];
            volumes: { name: string; secret: { secretName: string } }[];
          };
        };
      };
    }
  ).spec.template;
  const [worker] = spec.containers;
  assert.ok(worker);

  test('lists every file of the folder, except the one that must be edited first', () => {
    const files = readdirSync(path.join(root, folder)).filter((file) => file !== 'kustomization.yaml');
    assert.deepEqual(files.toSorted(), [...resources, 'network-policy.yaml'].toSorted());
  });

  test('sets only variables that the program reads, and no secret', () => {
    const names = [
      ...worker.env.map(({ name }) => name),
      ...configMapGenerator.flatMap(({ literals }) => literals.map((literal) => literal.split('=')[0] ?? '')),
    ];
    assertReadable(names, folder);
    for (const secret of SECRETS) assert.ok(!names.includes(secret), secret);
  });

  test('mounts the secret where the settings expect it, and says how to create it', () => {
    const [mount] = worker.volumeMounts;
    assert.equal(mount?.name, spec.volumes[0]?.name);
    const files = worker.env.filter(({ name }) => name.endsWith('_FILE')).map(({ value }) => value);
    assert.equal(files.length, 4);
    for (const file of files) {
      assert.equal(path.dirname(file), mount?.mountPath);
      assert.ok(read(`${folder}/deployment.yaml`).includes(`--from-literal=${path.basename(file)}=`), file);
    }
  });

  test('uses /livez for liveness and /readyz for readiness, on the port that the worker listens on', () => {
    const value = (name: string) => worker.env.find((variable) => variable.name === name)?.value;
    assert.deepEqual(worker.ports, [{ name: 'http', containerPort: Number(value('HTTP_PORT')) }]);
    assert.equal(value('HTTP_HOST'), '0.0.0.0');
    const { startupProbe, livenessProbe, readinessProbe } = worker;
    assert.deepEqual(startupProbe.httpGet, { path: '/livez', port: 'http' });
    assert.deepEqual(livenessProbe.httpGet, { path: '/livez', port: 'http' });
    assert.deepEqual(readinessProbe.httpGet, { path: '/readyz', port: 'http' });
    assert.equal(spec.terminationGracePeriodSeconds, STOP_SECONDS);
  });
});

describe('integrations/systemd/zt-risk-sync.service', () => {
  const unit = read('integrations/systemd/zt-risk-sync.service');
  const values = (key: string) =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map((match) => match[1] ?? '');

  test('sets only variables that the program reads, with secrets as loaded credentials', () => {
    const settings = values('Environment').map((line) => line.split('='));
    const own = settings.filter(([name]) => name !== 'NODE_ENV' && name !== 'MALLOC_ARENA_MAX');
    assertReadable(
      own.map(([name]) => name ?? ''),
      'the unit',
    );
    const loaded = values('LoadCredential').map((line) => line.split(':')[0]);
    for (const [name, value] of own) {
      assert.match(name ?? '', /_FILE$/);
      assert.ok(loaded.includes(value?.replace('%d/', '')), value);
    }
    assert.equal(loaded.length, own.length);
    // Without a default, a file that is not there keeps the service from starting.
    assert.deepEqual(values('SetCredential'), ['ping_url:\\n']);
  });

  test('gives the worker time to finish, and does not restart what cannot succeed', () => {
    assert.deepEqual(values('TimeoutStopSec'), [String(STOP_SECONDS)]);
    assert.deepEqual(values('RestartPreventExitStatus'), ['64 78']);
  });
});
