import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { clockAt } from '../../../appliance/kernel/clock.ts';
import { followRepository } from '../../../trust-root/follow.ts';
import { nodePaths } from '../../../trust-root/generation.ts';
import { urlTransport } from '../../../trust-root/tuf-transport.ts';

/** A process that follows a repository once; made to be killed. Arguments: node folder, repository folder, time. */
const [base = '', repository = '', time = ''] = process.argv.slice(2);
const transport = urlTransport(pathToFileURL(path.resolve(repository)));
await followRepository({ paths: nodePaths(base), transport, clock: clockAt(time) });
