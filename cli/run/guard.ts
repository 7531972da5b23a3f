import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Reads what is to be killed, line by line, the last one counts; `done` ends it. When its input ends without that, this
 * process has been killed: nobody follows the secrets any more.
 */
const SCRIPT = `trap '' HUP INT QUIT TERM USR1 USR2
target=
while read -r line; do
  [ "$line" = done ] && exit 0
  target=$line
done
[ -n "$target" ] && kill -s KILL -- "$target" 2>/dev/null
[ -n "$1" ] && rm -rf -- "$1"`;

/**
 * A shell beside this process that ends the command and removes the files when this process is killed (SIGKILL, out of
 * memory): what nobody follows would be used after its retirement. Not for when the whole machine or container stops.
 */
export class Guard {
  readonly #shell: ChildProcess;

  /** `onMissing` is called where there is no /bin/sh: then this run goes without. */
  constructor(directory: string | undefined, onMissing: () => void) {
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT, 'rekey-guard', directory ?? ''], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    });
    // One that could not start or has ended is nothing to stop for, and it does not keep this process alive.
    this.#shell.on('error', onMissing);
    this.#shell.stdin?.on('error', () => undefined);
    this.#shell.unref();
  }

  /** What is to be killed: a process id, or a negative process group; `undefined`: nothing. */
  watch(target: number | undefined): void {
    this.#shell.stdin?.write(`${target ?? ''}\n`);
  }

  /** Everything has been ended and removed in order. */
  done(): void {
    this.#shell.stdin?.end('done\n');
  }
}
