// Runs forge test with the given options. The command that npm installs as forge hides how forge
// ended, so this starts the machine's own binary.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const packages = join(here, "node_modules", "@foundry-rs");
const forge = (existsSync(packages) ? readdirSync(packages) : [])
  .map((name) => join(packages, name, "bin", "forge"))
  .find((path) => existsSync(path));
if (!forge) throw new Error("forge is missing: npm ci");
const given = ["test", ...process.argv.slice(2)];
const { status } = spawnSync(forge, given, { cwd: here, stdio: "inherit" });
process.exit(status ?? 1);
