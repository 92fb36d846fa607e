import { Command } from '@commander-js/extra-typings';

import type { Runtime } from '../runtime.ts';
import { trustInitCommand, trustPublishCommand, trustRenewCommand } from './trust-author.ts';
import { trustCaptureCommand } from './trust-capture.ts';
import { trustRefreshCommand, trustStatusCommand, trustVerifyCommand } from './trust-keep.ts';
import { trustKitCommand } from './trust-kit.ts';

/** `sealift trust`: the site's trust root. */
export function trustCommand(runtime: Runtime): Command {
  const command = new Command('trust').description("make, publish, refresh and check the site's trust root");
  command.addCommand(trustInitCommand(runtime));
  command.addCommand(trustPublishCommand(runtime));
  command.addCommand(trustRenewCommand(runtime));
  command.addCommand(trustRefreshCommand(runtime));
  command.addCommand(trustStatusCommand(runtime));
  command.addCommand(trustCaptureCommand(runtime));
  command.addCommand(trustKitCommand(runtime));
  command.addCommand(trustVerifyCommand(runtime));
  return command;
}
