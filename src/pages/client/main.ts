// What the pages gain from a script. Without it, they say the same.
import { rememberTimeZone } from './time-zone.ts';
import { sendByItself } from './forms.ts';

rememberTimeZone();
sendByItself();
