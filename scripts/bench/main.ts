import { benchVerify } from './verify.ts';
import { benchWebhook } from './webhook.ts';

const BENCHES: Readonly<Record<string, () => Promise<void>>> = { verify: benchVerify, webhook: benchWebhook };

const USAGE = `npm run bench -- [${Object.keys(BENCHES).join('|')} …]   all of them when none is named
  verify   a whole verdict on one image, beside @sigstore/verify on the same bundle
  webhook  admission reviews over HTTPS, warm and cold`;

async function main(names: readonly string[]): Promise<number> {
  const wanted = names.length === 0 ? Object.keys(BENCHES) : names;
  for (const name of wanted) {
    const bench = BENCHES[name];
    if (bench === undefined) {
      console.log(USAGE);
      return name === '--help' ? 0 : 2;
    }
    await bench();
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
