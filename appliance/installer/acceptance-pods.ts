import { KINDS, type KubeObject } from '../kube/kube-object.ts';
import { MANAGED } from './secrets.ts';
import { STACK } from './site-names.ts';

/** The service account that the acceptance test signs as, and the ConfigMap with root v1 for its pods. */
export const ACCEPTANCE = 'sealift-acceptance';
/** The namespace in which it asks for admission. */
export const ACCEPTANCE_NAMESPACE = 'sealift-acceptance';

/** What the signing pods are made of. */
export interface SigningPods {
  /** References by digest. */
  readonly sealiftImage: string;
  readonly cosignImage: string | undefined;
  /** Images that are to be signed, by digest. */
  readonly byJs: string;
  readonly byCosign: string;
  readonly urls: { readonly fulcio: string; readonly rekor: string; readonly tsa: string; readonly tuf: string };
  readonly issuer: string;
  readonly audience: string;
  readonly identity: string;
}

const TOKEN = { name: 'token', mountPath: '/var/run/sigstore/cosign', readOnly: true };
const TOKEN_FILE = `${TOKEN.mountPath}/oidc-token`;
const MOUNTS = [
  TOKEN,
  { name: 'site-ca', mountPath: '/site-ca', readOnly: true },
  { name: 'root-v1', mountPath: '/root-v1', readOnly: true },
  { name: 'tmp', mountPath: '/tmp' },
];
const ENVIRONMENT = [
  { name: 'HOME', value: '/tmp' },
  { name: 'SSL_CERT_FILE', value: '/site-ca/ca.crt' },
  { name: 'NODE_EXTRA_CA_CERTS', value: '/site-ca/ca.crt' },
];
const RESTRICTED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

function container(name: string, image: string, args: readonly string[]): object {
  return { name, image, args, env: ENVIRONMENT, volumeMounts: MOUNTS, securityContext: RESTRICTED };
}

function pod(name: string, audience: string, containers: { init: readonly object[]; main: object }): KubeObject {
  return {
    ...KINDS.pod,
    metadata: { name, namespace: STACK, labels: { ...MANAGED, 'app.kubernetes.io/name': ACCEPTANCE } },
    spec: {
      // Replicas of the TUF server take a new version up a moment apart: a client may be handed the older one and refuses.
      restartPolicy: 'OnFailure',
      serviceAccountName: ACCEPTANCE,
      automountServiceAccountToken: false,
      activeDeadlineSeconds: 180,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65532,
        runAsGroup: 65532,
        fsGroup: 65532,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      initContainers: containers.init,
      containers: [containers.main],
      volumes: [
        {
          name: 'token',
          projected: { sources: [{ serviceAccountToken: { path: 'oidc-token', audience, expirationSeconds: 600 } }] },
        },
        { name: 'site-ca', configMap: { name: 'site-ca' } },
        { name: 'root-v1', configMap: { name: ACCEPTANCE } },
        { name: 'tmp', emptyDir: {} },
      ],
    },
  };
}

/** A pod that signs with sigstore-js, and verifies. */
export function sigstoreJsPod({ sealiftImage, byJs, urls, issuer, identity, audience }: SigningPods): KubeObject {
  const args = [
    'acceptance',
    `--image=${byJs}`,
    `--token-file=${TOKEN_FILE}`,
    `--fulcio-url=${urls.fulcio}`,
    `--rekor-url=${urls.rekor}`,
    `--tsa-url=${urls.tsa}`,
    `--tuf-url=${urls.tuf}`,
    '--root-file=/root-v1/root.json',
    '--ca-file=/site-ca/ca.crt',
    `--issuer=${issuer}`,
    `--identity=${identity}`,
  ];
  return pod(`${ACCEPTANCE}-js`, audience, { init: [], main: container('sigstore-js', sealiftImage, args) });
}

/** A pod that takes the site's trust, signs and verifies with cosign; and verifies what sigstore-js signed. */
export function cosignPod(pods: SigningPods, cosignImage: string): KubeObject {
  const { byJs, byCosign, urls, issuer, identity, audience } = pods;
  const who = [`--certificate-identity=${identity}`, `--certificate-oidc-issuer=${issuer}`];
  const init = [
    container('initialize', cosignImage, ['initialize', `--mirror=${urls.tuf}`, '--root=/root-v1/root.json']),
    container('sign', cosignImage, ['sign', '--yes', byCosign]),
    container('verify', cosignImage, ['verify', ...who, byCosign]),
  ];
  const main = container('verify-js', cosignImage, ['verify', ...who, byJs]);
  return pod(`${ACCEPTANCE}-cosign`, audience, { init, main });
}
