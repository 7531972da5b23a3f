import { API_KEY } from './api-key/catalogue.ts';
import type { CatalogueEntry } from './catalogue-entry.ts';
import { CREDENTIAL } from './credential/catalogue.ts';
import { GITHUB_TOKEN } from './github-token/catalogue.ts';
import { HTTP } from './http/catalogue.ts';
import { IAM } from './iam/catalogue.ts';
import { MARIADB } from './mariadb/catalogue.ts';
import { MYSQL } from './mysql/catalogue.ts';
import { POSTGRESQL } from './postgresql/catalogue.ts';
import { RABBITMQ } from './rabbitmq/catalogue.ts';
import { REDIS } from './redis/catalogue.ts';

/** Every rotator of this version, in words. */
export const CATALOGUE: readonly CatalogueEntry[] = [
  POSTGRESQL,
  MYSQL,
  MARIADB,
  REDIS,
  RABBITMQ,
  IAM,
  GITHUB_TOKEN,
  API_KEY,
  HTTP,
  CREDENTIAL,
];
