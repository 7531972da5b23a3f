import type { Alert, AlertPublisher } from '../../shared/alerts/alert.ts';

export class RecordingAlertPublisher implements AlertPublisher {
  readonly published: Alert[] = [];

  async publish(alert: Alert): Promise<void> {
    this.published.push(alert);
  }
}
