// One peer on the shop's CSV files: DuckDB or ClickHouse, embedded, with a given number of threads. Reads a JSON document from
// standard input: {peer, threads, dir, setup: {work: [sql, ...]}, questions: [{work, sql}, ...]}; `work` of setup is timed when its
// name begins with W. Prints one JSON line a statement: {work, ms, rows}, rows as arrays of strings and numbers.
import { readFileSync } from 'node:fs';

const plan = JSON.parse(readFileSync(0, 'utf8'));

async function duckdb() {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:', { threads: String(plan.threads) });
  const connection = await instance.connect();
  return {
    version: async () => (await connection.runAndReadAll('select version()')).getRowsJson()[0][0],
    run: async (sql) => (await connection.runAndReadAll(sql)).getRowsJson(),
  };
}

async function clickhouse() {
  const { Session } = await import('chdb');
  const session = new Session();
  const settings = ` SETTINGS max_threads = ${plan.threads}`;
  const run = async (sql) => {
    const reads = /^\s*(select|with)/i.test(sql);
    const text = session.query(reads ? sql + settings : sql, 'JSONCompactEachRow');
    return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));
  };
  return { version: async () => (await run('select version()'))[0][0], run };
}

const peer = await (plan.peer === 'duckdb' ? duckdb() : clickhouse());
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
say({ version: await peer.version() });
for (const { work, sql } of plan.statements) {
  const start = process.hrtime.bigint();
  const rows = await peer.run(sql);
  say({ work, ms: Number(process.hrtime.bigint() - start) / 1e6, rows: /^\s*(select|with)/i.test(sql) ? rows : [] });
}
process.exit(0); // an embedded server's threads need no farewell
