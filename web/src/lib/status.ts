import { asError, get, key, keyWanted, type ApiError } from "./api";
import { value } from "./value";

export interface ModelInfo {
  id: string;
  loaded: boolean;
  context: number | null;
  can: string[];
  bytes: number | null;
}

export interface Status {
  version: string;
  language: string;
  models: ModelInfo[];
  default_model: string;
  key_needed: boolean;
}

/** What the server has; null until it has answered. */
export const status = value<Status | null>(null);
export const statusError = value<ApiError | null>(null);

export async function refresh(): Promise<void> {
  try {
    const found = await get<Status>("/api/status");
    if (found.key_needed && !key.get() && !status.get()) keyWanted.set(true);
    status.set(found);
    statusError.set(null);
  } catch (fault) {
    statusError.set(asError(fault));
  }
}

/** A model answered: if it was not loaded before, it is now. */
export function used(model: unknown): void {
  if (!status.get()?.models.find((one) => one.id === model)?.loaded) void refresh();
}

key.listen(() => void refresh());
