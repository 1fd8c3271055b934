/** What the shell gives a room. A room stays drawn once it was visited, so that what runs in it goes on. */
export interface RoomProps {
  /** Whether it is the room on the screen: one that asks the server again and again does so only then. */
  active: boolean;
  /** What follows the room's name in the address, e.g. `["answer"]` for `#/tasks/answer`. */
  path: string[];
}
