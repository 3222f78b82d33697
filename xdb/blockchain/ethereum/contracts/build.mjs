// Compiles the registry: node build.mjs writes ../artifacts/Registry.json, with --check it says
// whether that file is what the sources give, byte for byte.
import { readFileSync, readdirSync, writeFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const artifact = join(here, "..", "artifacts", "Registry.json");
const compiler = createRequire(import.meta.url)("solc");

// The settings are those of foundry.toml, which the tests run with.
function setting(name) {
  const found = readFileSync(join(here, "foundry.toml"), "utf8").match(
    new RegExp(`^${name} = "?([^"\\n]*)"?$`, "m"),
  );
  if (!found) throw new Error(`foundry.toml sets no ${name}`);
  return found[1];
}

function compile() {
  const sources = {};
  for (const name of readdirSync(join(here, "src")).sort()) {
    sources[`src/${name}`] = { content: readFileSync(join(here, "src", name), "utf8") };
  }
  const settings = {
    evmVersion: setting("evm_version"),
    viaIR: setting("via_ir") === "true",
    optimizer: { enabled: true, runs: Number(setting("optimizer_runs")) },
    metadata: { bytecodeHash: "none", appendCBOR: false },
    outputSelection: { "src/Registry.sol": { Registry: ["abi", "evm.bytecode.object"] } },
  };
  const output = JSON.parse(
    compiler.compile(JSON.stringify({ language: "Solidity", sources, settings })),
  );
  const errors = (output.errors ?? []).filter((error) => error.severity !== "info");
  if (errors.length) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  const { abi, evm } = output.contracts["src/Registry.sol"].Registry;
  const head = { compiler: compiler.version(), evmVersion: settings.evmVersion };
  const lines = abi.map((entry) => `    ${JSON.stringify(entry)}`).join(",\n");
  const rest = JSON.stringify(head, null, 2).slice(2, -2);
  return `{\n${rest},\n  "abi": [\n${lines}\n  ],\n  "bytecode": "0x${evm.bytecode.object}"\n}\n`;
}

const built = compile();
if (process.argv.includes("--check")) {
  if (readFileSync(artifact, "utf8") !== built) {
    console.error("artifacts/Registry.json is not what the sources give: run node build.mjs");
    process.exit(1);
  }
} else {
  mkdirSync(dirname(artifact), { recursive: true });
  writeFileSync(artifact, built);
}
