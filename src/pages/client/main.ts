// What a script adds to the pages. Without it, they have the same content.
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
