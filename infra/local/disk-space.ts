import { statfs } from 'node:fs/promises';
import { LocalCloudFailure } from './local-cloud-failure.ts';

/** Fails before anything is written when the file system of `directory` has less than this free. */
export async function assertRoom(directory: string, megabytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const free = Math.floor((bavail * bsize) / 1_048_576);
  if (free < megabytes) {
    throw new LocalCloudFailure(
      `The disk that holds ${directory} has ${free} MB free and ${megabytes} MB are needed: make room and run the same command again.`,
    );
  }
}
