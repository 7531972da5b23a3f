/** The local cloud cannot do what was asked: one clear sentence that says what to do. The CLI prints it and nothing else. */
export class LocalCloudFailure extends Error {
  override readonly name = 'LocalCloudFailure';
}
