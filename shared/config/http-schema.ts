import * as z from 'zod';

import { baseUrlSchema } from './base-url-schema.ts';
import type { HttpDeclaration, HttpRequestDeclaration } from './declaration.ts';
import { CERTIFICATE_AUTHORITY, oneOf, text, textsByName, wholeNumber } from './schema-text.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
const EXPECT = 'expect is a list of 1 to 100 statuses such as [200, 201]';
const POINTER = 'a JSON Pointer such as /data/id';

interface RequestDefaults {
  readonly method: (typeof METHODS)[number];
  readonly expect: readonly number[];
}

function requestFields({ method, expect }: RequestDefaults) {
  return {
    method: oneOf('method', METHODS).default(method),
    path: z.string({ error: 'path is a text that begins with /' }),
    headers: textsByName('headers is a mapping of names to texts', 'a header is a text').optional(),
    body: z
      .unknown()
      .refine((body) => body !== null, { error: 'body is what is sent as JSON; leave it out for none' })
      .refine(hasFiniteNumbers, { error: 'body is sent as JSON, which has no infinite numbers' })
      .optional(),
    expect: z
      .array(wholeNumber('a status', { min: 100, max: 599 }), { error: EXPECT })
      .min(1, { error: EXPECT })
      .max(100, { error: EXPECT })
      .default([...expect]),
  };
}

const createSchema = z.strictObject(
  {
    ...requestFields({ method: 'POST', expect: [200, 201] }),
    capture: textsByName(
      'capture is a mapping of names to JSON Pointers, such as { value: /data/secret, id: /data/id }',
      `what is captured is ${POINTER}`,
    ),
  },
  { error: 'create is a mapping with path and capture' },
);
const testSchema = z.strictObject(requestFields({ method: 'GET', expect: [200] }), {
  error: 'test is a mapping with path',
});
const revokeSchema = z.strictObject(requestFields({ method: 'DELETE', expect: [200, 202, 204] }), {
  error: 'revoke is a mapping with path',
});
const listSchema = z.strictObject(
  {
    ...requestFields({ method: 'GET', expect: [200] }),
    items: z.string({ error: `items is ${POINTER}: where the answer has the list` }),
    id: z.string({ error: `id is ${POINTER}: where an item has its id` }),
    name: z.string({ error: `name is ${POINTER}: where an item has its name` }),
  },
  { error: 'list is a mapping with path, items, id and name' },
);

/** `http:`; whether the requests can do their work is `brokenHttpRules`' to say. */
export const httpSchema = z.strictObject(
  {
    base_url: baseUrlSchema,
    certificate_authority: text(CERTIFICATE_AUTHORITY).optional(),
    create: createSchema,
    test: testSchema,
    revoke: revokeSchema,
    list: listSchema.optional(),
  },
  { error: 'http is a mapping with base_url, create, test and revoke' },
);

/** The keys of each level, for messages. */
export const HTTP_KEYS = {
  http: Object.keys(httpSchema.shape),
  create: Object.keys(createSchema.shape),
  test: Object.keys(testSchema.shape),
  revoke: Object.keys(revokeSchema.shape),
  list: Object.keys(listSchema.shape),
};

/** The declaration that an `http:` means, with the certificates of the file that it names. */
export function httpDeclaration(
  { base_url, ...written }: z.output<typeof httpSchema>,
  certificateAuthority?: string,
): HttpDeclaration {
  const { create, test, revoke, list } = written;
  return {
    baseUrl: base_url,
    create: { ...requestDeclaration(create), capture: create.capture },
    test: requestDeclaration(test),
    revoke: requestDeclaration(revoke),
    ...(list === undefined
      ? {}
      : { list: { ...requestDeclaration(list), items: list.items, id: list.id, name: list.name } }),
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
  };
}

function requestDeclaration(written: z.output<typeof testSchema>): HttpRequestDeclaration {
  const { method, path, headers, body, expect } = written;
  return {
    method,
    path,
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body }),
    expect,
  };
}

function hasFiniteNumbers(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value !== 'object' || value === null || Object.values(value).every(hasFiniteNumbers);
}
