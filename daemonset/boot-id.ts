import { readFile } from 'node:fs/promises';

import { DaemonsetError } from './daemonset-error.ts';
import { isBootId } from './trust-condition.ts';

/** Where the kernel tells the id of this boot. */
export const KERNEL_BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** Reads the id of this boot. @throws DaemonsetError `BOOT_ID_UNREADABLE`. */
export async function readBootId(file = KERNEL_BOOT_ID): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new DaemonsetError('BOOT_ID_UNREADABLE', `${file}: the boot id can't be read`, { cause });
  }
  const bootId = text.trim().toLowerCase();
  if (isBootId(bootId)) return bootId;
  throw new DaemonsetError('BOOT_ID_UNREADABLE', `${file}: holds no boot id`);
}
