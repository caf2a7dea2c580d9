// A small file, replaced in one step: a crash leaves the old one or the new one.
import { openFile, orOutputFailed } from './output.ts';

/** Throws OUTPUT_FAILED. */
export async function writeText(file: string, text: string): Promise<void> {
  const output = await openFile(file);
  try {
    const ended = new Promise<void>((resolve, reject) => {
      output.stream.on('error', reject);
      output.stream.on('close', resolve);
    });
    output.stream.end(text);
    await orOutputFailed(file, ended);
    await output.keep();
  } finally {
    await output.drop();
  }
}
