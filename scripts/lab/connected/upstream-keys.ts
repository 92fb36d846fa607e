import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from '../program.ts';
import { ISSUERS, type UpstreamPaths } from './upstream.ts';

/** One private key that is kept in a file, encrypted or not. */
export interface StoredKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Encrypted with {@link passphrase}; what servers read. */
  readonly file: string;
  readonly passphrase: string;
}

/** Everything secret that the upstream Sigstore signs with, and the certificates that go with it. */
export interface UpstreamKeys {
  readonly rekor: StoredKey;
  readonly rekorV2: KeyPair & { readonly file: string };
  readonly ctlog: StoredKey;
  readonly fulcio: StoredKey;
  readonly tsa: StoredKey;
  readonly issuer: KeyPair;
  /** PEM, the issuing certificate first and the root last. */
  readonly fulcioChain: string;
  /** PEM, leaf first and root last. */
  readonly tsaChain: string;
  /** PEM of the authority of the issuers' own server. */
  readonly webAuthority: string;
}

interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

type Curve = 'P-256' | 'P-384';

/**
 * Makes all keys and certificates of the upstream Sigstore. EC keys are kept as SEC1 PEM with a passphrase, the one form
 * that ct_server, Fulcio, Rekor and the timestamp server all read.
 */
export async function makeUpstreamKeys(paths: UpstreamPaths): Promise<UpstreamKeys> {
  const keys = {
    rekor: await storedKey(paths, 'rekor', 'P-256'),
    ctlog: await storedKey(paths, 'ctlog', 'P-256'),
    fulcio: await storedKey(paths, 'fulcio', 'P-384'),
    tsa: await storedKey(paths, 'tsa', 'P-384'),
  };
  const rekorV2 = generateKeyPairSync('ed25519');
  const rekorV2File = path.join(paths.keys, 'rekor-v2.pem');
  await writeFile(rekorV2File, rekorV2.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const issuer = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuerPem = issuer.privateKey.export({ type: 'pkcs8', format: 'pem' });
  await writeFile(path.join(paths.keys, 'issuer.pem'), issuerPem, { mode: 0o600 });
  const authority = new Authority(paths);
  const fulcioRoot = await authority.root('fulcio-root', '/O=sigstore.example/CN=sigstore');
  const tsaRoot = await authority.root('tsa-root', '/O=sigstore.example/CN=sigstore-tsa-selfsigned');
  const web = await authority.root('web-authority', '/O=acme.example/CN=web');
  const fulcio = await authority.issue('fulcio', 'fulcio-root', {
    subject: '/O=sigstore.example/CN=sigstore-intermediate',
    extensions: [
      'basicConstraints=critical,CA:TRUE,pathlen:0',
      'keyUsage=critical,keyCertSign,cRLSign',
      'extendedKeyUsage=codeSigning',
    ],
    key: keys.fulcio,
  });
  const tsa = await authority.issue('tsa', 'tsa-root', {
    subject: '/O=sigstore.example/CN=sigstore-tsa',
    extensions: [
      'basicConstraints=critical,CA:FALSE',
      'keyUsage=critical,digitalSignature',
      'extendedKeyUsage=critical,timeStamping',
    ],
    key: keys.tsa,
  });
  await authority.issue('web', 'web-authority', {
    subject: '/CN=issuers',
    extensions: [
      'basicConstraints=critical,CA:FALSE',
      'extendedKeyUsage=serverAuth',
      `subjectAltName=${Object.values(ISSUERS)
        .map((url) => `DNS:${new URL(url).hostname}`)
        .join(',')}`,
    ],
  });
  return {
    ...keys,
    rekorV2: { ...rekorV2, file: rekorV2File },
    issuer,
    fulcioChain: fulcio + fulcioRoot,
    tsaChain: tsa + tsaRoot,
    webAuthority: web,
  };
}

async function storedKey({ keys }: UpstreamPaths, name: string, curve: Curve): Promise<StoredKey> {
  const pair = generateKeyPairSync('ec', { namedCurve: curve });
  const passphrase = randomBytes(18).toString('base64url');
  const file = path.join(keys, `${name}.pem`);
  const pem = pair.privateKey.export({ type: 'sec1', format: 'pem', cipher: 'aes-256-cbc', passphrase });
  await writeFile(file, pem, { mode: 0o600 });
  return { ...pair, file, passphrase };
}

interface CertificateWish {
  readonly subject: string;
  readonly extensions: readonly string[];
  /** The key to certify; a new one at `<keys>/<name>.key.pem` unless told. */
  readonly key?: StoredKey;
}

/** Certificates by openssl; file names follow from the certificate's name. */
class Authority {
  readonly #paths: UpstreamPaths;

  constructor(paths: UpstreamPaths) {
    this.#paths = paths;
  }

  async root(name: string, subject: string): Promise<string> {
    const extensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
    return await this.#make(name, { subject, extensions }, []);
  }

  async issue(name: string, issuer: string, wish: CertificateWish): Promise<string> {
    return await this.#make(name, wish, ['-CA', this.#certificate(issuer), '-CAkey', this.#key(issuer)]);
  }

  async #make(name: string, { subject, extensions, key }: CertificateWish, issuer: readonly string[]): Promise<string> {
    const keyWords = key
      ? ['-key', key.file, '-passin', 'stdin']
      : ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-noenc', '-keyout', this.#key(name)];
    const words = ['-days', '3650', '-subj', subject, ...extensions.flatMap((value) => ['-addext', value])];
    const out = this.#certificate(name);
    await run(['openssl', 'req', '-x509', '-new', '-sha384', ...keyWords, ...issuer, ...words, '-out', out], {
      input: `${key?.passphrase ?? ''}\n`,
    });
    return await readFile(out, 'utf8');
  }

  #certificate(name: string): string {
    return path.join(this.#paths.certificates, `${name}.pem`);
  }

  #key(name: string): string {
    return path.join(this.#paths.keys, `${name}.key.pem`);
  }
}
