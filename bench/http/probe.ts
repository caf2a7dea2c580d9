// Asks /livez on a new connection, again and again, as the kubelet does. It is a process of its own, so that the load
// beside it does not distort its timing. Prints milliseconds, one line for each probe, or "none" after 5 s without an
// answer.
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const [url = '', seconds = ''] = process.argv.slice(2);
const LONGEST_MS = 5_000;
const end = performance.now() + Number(seconds) * 1_000;
while (performance.now() < end) {
  process.stdout.write(`${await probe()}\n`);
  await sleep(25);
}

function probe(): Promise<number | 'none'> {
  const began = performance.now();
  return new Promise((resolve) => {
    const request = get(url, { agent: new Agent(), signal: AbortSignal.timeout(LONGEST_MS) }, (response) => {
      response
        .resume()
        .on('end', () => resolve(response.statusCode === 200 ? performance.now() - began : 'none'));
    });
    request.on('error', () => resolve('none'));
  });
}
