/** Files that somebody drops on a page, also those in folders. */

/** Of recordings, as the server takes them. */
export const VIDEO_SUFFIXES = [".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mts", ".m2ts", ".ts", ".mpg", ".3gp"];

/** All files that were dropped themselves, and the videos in folders; to be called at once, before the event is over. */
export async function filesOf(dropped: DataTransfer): Promise<File[]> {
  const entries = [...dropped.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  const found = await Promise.all(entries.map(async (entry) => (isFile(entry) ? [await read(entry)] : await videosIn(entry as FileSystemDirectoryEntry))));
  return found.flat();
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const read = (entry: FileSystemFileEntry) => new Promise<File>((done, fail) => entry.file(done, fail));

async function videosIn(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader();
  const found: File[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return found;
    for (const entry of some) {
      if (!isFile(entry)) found.push(...(await videosIn(entry as FileSystemDirectoryEntry)));
      else if (VIDEO_SUFFIXES.some((suffix) => entry.name.toLowerCase().endsWith(suffix)) && !entry.name.startsWith(".")) found.push(await read(entry));
    }
  }
}
