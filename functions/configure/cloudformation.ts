import * as z from 'zod/mini';

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html */
export const cloudFormationEvent = z.object({
  RequestType: z.enum(['Create', 'Update', 'Delete']),
  ResponseURL: z.url(),
  StackId: z.string(),
  RequestId: z.string(),
  LogicalResourceId: z.string(),
  PhysicalResourceId: z.optional(z.string()),
});
export type CloudFormationEvent = z.infer<typeof cloudFormationEvent>;

export interface CustomResourceAnswer {
  readonly Status: 'SUCCESS' | 'FAILED';
  /** Shown to the person who deploys: safe text only. */
  readonly Reason?: string;
  readonly Data?: Readonly<Record<string, string>>;
}

/** Tells CloudFormation how its custom resource fared, at the URL that the event carries. */
export async function answer(event: CloudFormationEvent, outcome: CustomResourceAnswer): Promise<void> {
  const response = await fetch(event.ResponseURL, {
    method: 'PUT',
    // S3 presigned URLs are signed for an empty content type.
    headers: { 'content-type': '' },
    body: JSON.stringify({
      ...outcome,
      PhysicalResourceId: event.PhysicalResourceId ?? 'rekey-configuration',
      StackId: event.StackId,
      RequestId: event.RequestId,
      LogicalResourceId: event.LogicalResourceId,
    }),
    signal: AbortSignal.timeout(10_000),
  });
  await response.body?.cancel();
}
