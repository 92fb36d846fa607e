import { ALREADY_EXISTS, callUnary, type GrpcAnswer, type GrpcServer } from './grpc-client.ts';
import { InstallerError } from './installer-error.ts';
import { bytesField, integerField, wireFields } from './protobuf.ts';

/** A log's tree in Trillian. */
export interface Tree {
  /** Positive 63-bit number, in decimal. */
  readonly id: string;
  readonly displayName: string;
  readonly isActiveLog: boolean;
}

/** Calls one method of Trillian's log server; replaced in tests. */
export type TrillianCall = (method: string, request: Buffer) => Promise<GrpcAnswer>;

/** Calls the log server at `server`. */
export function trillianCall(server: GrpcServer): TrillianCall {
  return (method, request) => callUnary(server, method, request);
}

// trillian.proto: fields of Tree, and the values that a new log has.
const TREE = { id: 1, state: 2, type: 3, displayName: 8, description: 9, maxRootDuration: 15, deleted: 19 } as const;
const ACTIVE = 1n;
const LOG = 1n;
const MAX_ROOT_SECONDS = 3600n;

function parseTree(message: Buffer): Tree & { deleted: boolean } {
  const fields = wireFields(message);
  const integer = (number: number): bigint => fields.find((field) => field.number === number)?.value ?? 0n;
  const name = fields.find((field) => field.number === TREE.displayName)?.bytes.toString('utf8') ?? '';
  return {
    id: integer(TREE.id).toString(),
    displayName: name,
    isActiveLog: integer(TREE.state) === ACTIVE && integer(TREE.type) === LOG,
    deleted: integer(TREE.deleted) !== 0n,
  };
}

async function ask(call: TrillianCall, method: string, request: Buffer): Promise<Buffer> {
  const answer = await call(method, request);
  if ('message' in answer) return answer.message;
  throw new InstallerError('SERVICE_FAILED', `Trillian: ${method}: ${answer.error} (gRPC status ${answer.status})`, {
    fix: 'look at the log of the pod trillian-log-server in sigstore-system',
  });
}

/** All trees that are not deleted. @throws InstallerError `SERVICE_FAILED`. */
export async function listTrees(call: TrillianCall): Promise<Tree[]> {
  const answer = await ask(call, '/trillian.TrillianAdmin/ListTrees', Buffer.alloc(0));
  const trees = wireFields(answer).filter((field) => field.number === 1);
  return trees
    .map((field) => parseTree(field.bytes))
    .filter((tree) => !tree.deleted)
    .map(({ id, displayName, isActiveLog }) => ({ id, displayName, isActiveLog }));
}

async function createTree(call: TrillianCall, displayName: string): Promise<Tree> {
  const tree = Buffer.concat([
    integerField(TREE.state, ACTIVE),
    integerField(TREE.type, LOG),
    bytesField(TREE.displayName, displayName),
    bytesField(TREE.description, 'made by sealift'),
    bytesField(TREE.maxRootDuration, integerField(1, MAX_ROOT_SECONDS)),
  ]);
  return parseTree(await ask(call, '/trillian.TrillianAdmin/CreateTree', bytesField(1, tree)));
}

async function initialiseLog(call: TrillianCall, id: string): Promise<void> {
  const answer = await call('/trillian.TrillianLog/InitLog', integerField(1, BigInt(id)));
  if ('message' in answer || answer.status === ALREADY_EXISTS) return;
  throw new InstallerError('SERVICE_FAILED', `Trillian: log ${id} could not be started: ${answer.error}`);
}

/**
 * The log called `displayName`: looked up, and made only when there is none. A crash between making and recording leaves
 * no second tree, since the name is looked up first; one that was made but never started is started.
 * @param recorded the id that the site knows, if it does: that very log must be there.
 * @throws InstallerError `LOG_MISSING`, `LOG_AMBIGUOUS`, `SERVICE_FAILED`.
 */
export async function ensureLog(
  call: TrillianCall,
  displayName: string,
  recorded: string | undefined,
): Promise<string> {
  const found = (await listTrees(call)).filter((tree) => tree.displayName === displayName);
  if (recorded !== undefined && !found.some((tree) => tree.id === recorded)) {
    throw new InstallerError(
      'LOG_MISSING',
      `the database does not hold the log ${displayName} with the id ${recorded}`,
      {
        fix: 'restore the database of this site from a backup; a new log would make every signature of the old one unverifiable',
      },
    );
  }
  if (recorded === undefined && found.length > 1) {
    const ids = found.map((tree) => tree.id).join(', ');
    throw new InstallerError('LOG_AMBIGUOUS', `Trillian holds ${found.length} logs called ${displayName}: ${ids}`, {
      fix: 'record the right one as data of the ConfigMap sigstore-system/sealift-logs',
    });
  }
  const id = recorded ?? found[0]?.id ?? (await createTree(call, displayName)).id;
  await initialiseLog(call, id);
  return id;
}
