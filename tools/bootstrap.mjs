// Runs a command of this repository on a machine that has no more than Node 20 and npm:
//
//   node tools/bootstrap.mjs tools/weft/src/main.ts up     a script, by Node 24
//   node tools/bootstrap.mjs eslint .                      a program of node_modules/.bin
//
// Dependencies, Node 24 among them, are installed first if they are missing or older than package-lock.json.
// This file alone has to run on Node 20, with nothing installed.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const cache = join(root, ".cache");
const log = join(cache, "install.log");
const stamp = join(root, "node_modules/.weft-installed");
const bin = join(root, "node_modules/.bin");
const node24 = join(root, "node_modules/node/bin", process.platform === "win32" ? "node.exe" : "node");

const installTimeoutMs = 10 * 60_000;
/** npm passes on a signal that its whole group has got already: the same one again within this time is an echo. */
const echoMs = 250;

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await bootstrap(process.argv.slice(2));
}

/** Installs what is missing, runs the command and answers its exit code: 128 + n if signal n ended it. */
export async function bootstrap([command, ...args]) {
  if (Number(process.versions.node.split(".")[0]) < 20) {
    console.error(`Weft needs Node 20 or later; this is Node ${process.versions.node}.`);
    return 1;
  }
  // npm's postinstall: an installation by hand counts too.
  if (command === "--installed") {
    writeFileSync(stamp, wanted());
    return 0;
  }
  const code = isInstalled() ? 0 : await installOnce();
  if (code !== 0 || command === undefined) return code;
  process.env.PATH = `${bin}${delimiter}${process.env.PATH ?? ""}`;
  if (!/\.m?[jt]s$/.test(command)) return run(command, args, "inherit");
  return run(node24, [resolve(root, command), ...args], "inherit");
}

/** What the stamp says when the dependencies are those of the lock file, for this kind of machine. */
function wanted() {
  const hash = createHash("sha256").update(readFileSync(join(root, "package-lock.json")));
  return `${hash.digest("hex")} ${process.platform}-${process.arch}\n`;
}

function isInstalled() {
  return existsSync(node24) && read(stamp) === wanted();
}

async function installOnce() {
  mkdirSync(cache, { recursive: true });
  const lock = join(cache, "install.lock");
  const deadline = Date.now() + installTimeoutMs;
  const mine = `${lock}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    // A link appears whole or not at all, so the lock is never seen without its holder's process id.
    for (let waiting = false; !link(mine, lock); await sleep(100)) {
      const holder = read(lock);
      if (Date.now() > deadline) {
        console.error(`${lock} is still held after ${installTimeoutMs / 60_000} minutes, by process ${holder}.`);
        return 1;
      }
      if (holder === "") continue;
      if (!isRunning(Number(holder))) removeStale(lock, holder);
      else if (!waiting) console.error(`Waiting for process ${holder} to install dependencies …`);
      waiting = true;
    }
    try {
      return isInstalled() ? 0 : await install();
    } finally {
      rmSync(lock, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

async function install() {
  console.error("Installing dependencies (once) …");
  const npm = process.env.npm_execpath;
  const args = ["ci", "--include=dev", "--ignore-scripts=false", "--no-audit", "--no-fund"];
  const output = openSync(log, "w");
  let code;
  try {
    const stdio = ["ignore", output, output];
    code = npm === undefined ? await run("npm", args, stdio) : await run(process.execPath, [npm, ...args], stdio);
  } finally {
    closeSync(output);
  }
  if (code === 0 && existsSync(node24)) {
    writeFileSync(stamp, wanted());
    return 0;
  }
  const lastLines = read(log).trimEnd().split("\n").slice(-20).join("\n");
  console.error(`${lastLines}\nInstalling dependencies failed (npm ci, exit code ${code}); all of it is in ${log}`);
  return code === 0 ? 1 : code;
}

function run(command, args, stdio) {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd: stdio === "inherit" ? process.cwd() : root, stdio });
    const last = new Map();
    const forward = (signal) => {
      const isEcho = Date.now() - (last.get(signal) ?? 0) < echoMs;
      last.set(signal, Date.now());
      // A terminal sends Ctrl-C and its own closing to everything that runs in it, the child too.
      if (isEcho || (process.stdin.isTTY && signal !== "SIGTERM")) return;
      child.kill(signal);
    };
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) process.on(signal, forward);
    const finish = (code) => {
      for (const signal of signals) process.off(signal, forward);
      done(code);
    };
    child.on("error", (error) => {
      console.error(`${command} could not be run: ${error.message}`);
      finish(127);
    });
    child.on("exit", (code, signal) => finish(signal === null ? code : 128 + constants.signals[signal]));
  });
}

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function link(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function isRunning(pid) {
  // After a restart of a container the same id may be this very process.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Two may find the same dead holder, the second when the first holds the lock already: then it is given back. */
function removeStale(lock, holder) {
  const aside = `${lock}.${process.pid}.stale`;
  try {
    renameSync(lock, aside);
  } catch {
    return;
  }
  if (read(aside) !== holder) link(aside, lock);
  rmSync(aside);
}
