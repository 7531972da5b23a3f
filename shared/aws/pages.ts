import { withAwsErrors } from './aws-errors.ts';

/** The items of all pages that one of the SDK's paginators brings, its faults translated. */
export async function* itemsOf<Item>(
  pages: AsyncIterable<{ readonly Items?: Item[] | undefined }>,
): AsyncGenerator<Item> {
  for await (const items of pagesOf(pages)) yield* items;
}

/** The same, page by page. */
export async function* pagesOf<Item>(
  pages: AsyncIterable<{ readonly Items?: Item[] | undefined }>,
): AsyncGenerator<readonly Item[]> {
  const iterator = pages[Symbol.asyncIterator]();
  for (;;) {
    const next = await withAwsErrors(() => iterator.next());
    if (next.done === true) return;
    yield next.value.Items ?? [];
  }
}
