// What the pages gain from a script. Without it, they say the same.
import { copyWholeIds } from './copy-ids.ts';
import { sendByItself } from './forms.ts';
import { rememberVisit } from './last-visit.ts';
import { rememberTimeZone } from './time-zone.ts';
import { readTrends } from './trend.ts';

rememberTimeZone();
sendByItself();
copyWholeIds();
readTrends();
rememberVisit();
