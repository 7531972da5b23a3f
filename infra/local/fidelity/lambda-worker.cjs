// One execution environment of a Node.js Lambda function: a process that loads the handler once and then runs one
// invocation after another, as lambda_functions.py asks by a line of JSON on standard input. Answers are lines of JSON on
// standard output; what the function itself prints goes to standard error, which is its log.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
'use strict';
const { existsSync, writeSync } = require('node:fs');
const { resolve } = require('node:path');
const { createInterface } = require('node:readline');
const { pathToFileURL } = require('node:url');

const answerPipe = process.stdout.write.bind(process.stdout);
const log = process.stderr.write.bind(process.stderr);
process.stdout.write = (chunk, encoding, done) => log(chunk, encoding, done);

// The emulator's own settings are none of the function's business.
for (const name of ['GATEWAY_PORT', 'BIND_HOST', 'IOT_MTLS_ENABLED', 'SFN_WAIT_SCALE', 'LAMBDA_ACCOUNT_CONCURRENCY', 'PYTHONUNBUFFERED']) {
  delete process.env[name];
}
for (const name of Object.keys(process.env)) if (/^(REKEY_LOCAL_|MINISTACK_)/.test(name)) delete process.env[name];

let identity;
let handler;

function answer(message) {
  answerPipe(`${JSON.stringify(message)}\n`);
}

async function load(message) {
  identity = message;
  Object.assign(process.env, message.env, {
    LAMBDA_TASK_ROOT: message.code_dir,
    AWS_LAMBDA_FUNCTION_NAME: message.function_name,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(message.memory),
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_EXECUTION_ENV: `AWS_Lambda_nodejs${process.versions.node.split('.')[0]}.x`,
    _HANDLER: `${message.module}.${message.handler}`,
  });
  const base = resolve(message.code_dir, message.module);
  const file = ['.mjs', '.js', '.cjs'].map((extension) => base + extension).find((candidate) => existsSync(candidate));
  if (file === undefined) throw named('Runtime.ImportModuleError', `Error: Cannot find module '${message.module}'`);
  const module = await import(pathToFileURL(file).href);
  handler = module[message.handler] ?? module.default?.[message.handler];
  if (typeof handler !== 'function') {
    throw named('Runtime.HandlerNotFound', `${message.module}.${message.handler} is undefined or not exported`);
  }
}

function named(name, text) {
  return Object.assign(new Error(text), { name });
}

// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-context.html
function contextOf({ requestId, deadline, arn }) {
  const name = identity.function_name;
  return {
    functionName: name,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION ?? '$LATEST',
    invokedFunctionArn: arn,
    memoryLimitInMB: String(identity.memory),
    awsRequestId: requestId,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME ?? `/aws/lambda/${name}`,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME ?? '',
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

async function call(event, context) {
  return await new Promise((fulfil, reject) => {
    const callback = (error, value) => (error ? reject(error) : fulfil(value));
    const result = handler(event, context, callback);
    if (typeof result?.then === 'function') result.then(fulfil, reject);
    else if (handler.length < 3) fulfil(result);
  });
}

// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html: errorType is the error's name.
function describe(error) {
  if (!(error instanceof Error) && typeof error?.message !== 'string') {
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  }
  return { errorType: error.name || 'Error', errorMessage: error.message, trace: String(error.stack ?? '').split('\n') };
}

async function serve(message) {
  try {
    const result = await call(message.event, contextOf(message));
    finish(message, { result: result === undefined ? 'null' : JSON.stringify(result) });
  } catch (error) {
    const failure = describe(error);
    log(`${new Date().toISOString()}\t${message.requestId}\tERROR\tInvoke Error\t${JSON.stringify(failure)}\n`);
    finish(message, { failure });
  }
}

// The log of this invocation is complete where its marker stands.
function finish({ requestId, marker }, outcome) {
  writeSync(2, `${marker}\n`);
  answer({ requestId, ...outcome });
}

process.on('unhandledRejection', (error) => {
  throw Object.assign(new Error(String(error?.message ?? error)), { name: 'Runtime.UnhandledPromiseRejection', cause: error });
});

async function start(message) {
  try {
    await load(message);
    answer({ status: 'ready' });
  } catch (error) {
    log(`${error?.stack ?? error}\n`);
    answer({ status: 'error', error: JSON.stringify(describe(error)) });
  }
}

async function main() {
  for await (const line of createInterface({ input: process.stdin, terminal: false })) {
    const message = JSON.parse(line);
    if (identity === undefined) await start(message);
    else await serve(message);
  }
  // The emulator is gone: a function that still has timers or connections does not outlive it.
  process.exit(0);
}

void main();
