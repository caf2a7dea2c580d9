// `node bench/harness/delay-process.ts <host> <port> <ms>`: runs the proxy in its own process, and prints its port.
import { startDelayProxy } from './delay-proxy.ts';

const [host = '', port = '', ms = ''] = process.argv.slice(2);
const proxy = await startDelayProxy({ host, port: Number(port) }, Number(ms));
process.stdout.write(`${proxy.port}\n`);
// The process that started this one has ended.
process.stdin.resume().on('end', () => process.exit());
