// `node bench/harness/delay-process.ts <host> <port> <ms>`: the proxy as a process of its own, which prints its port.
import { startDelayProxy } from './delay-proxy.ts';

const [host = '', port = '', ms = ''] = process.argv.slice(2);
const proxy = await startDelayProxy({ host, port: Number(port) }, Number(ms));
process.stdout.write(`${proxy.port}\n`);
// Whoever started it is gone.
process.stdin.resume().on('end', () => process.exit());
