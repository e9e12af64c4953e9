import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

/** Content of one path of a test repository; `null` removes the path. */
export type TestFile =
  | string
  | Uint8Array
  | { readonly content: string | Uint8Array; readonly executable?: boolean | undefined }
  | { readonly symlink: string }
  | null;

/** Files by their path from the root of the repository, with `/` between folders. */
export type TestFiles = Readonly<Record<string, TestFile>>;

/**
 * The files below a directory as {@link TestFiles}: symbolic links and executable bits are kept,
 * `.git` and empty folders are left out.
 */
export async function readTestFiles(directory: string): Promise<TestFiles> {
  const files: Record<string, TestFile> = {};
  await readInto(files, directory, "");
  return files;
}

async function readInto(
  files: Record<string, TestFile>,
  directory: string,
  prefix: string,
): Promise<void> {
  for (const name of (await readdir(directory)).sort()) {
    if (name === ".git") continue;
    const path = join(directory, name);
    const stats = await lstat(path);
    if (stats.isDirectory()) await readInto(files, path, `${prefix}${name}/`);
    else if (stats.isSymbolicLink()) files[prefix + name] = { symlink: await readlink(path) };
    else if (stats.isFile()) {
      files[prefix + name] = {
        content: await readFile(path),
        executable: (stats.mode & 0o100) !== 0,
      };
    }
  }
}

/** One commit in the format of `git fast-import`; the new commit is printed by `get-mark`. */
export function encodeFastImport(commit: {
  readonly branch: string;
  readonly parent: string | undefined;
  readonly message: string;
  readonly identity: string;
  readonly seconds: number;
  readonly files: TestFiles;
}): Uint8Array {
  const chunks: Uint8Array[] = [];
  const line = (text: string): void => void chunks.push(Buffer.from(`${text}\n`, "utf8"));
  const data = (content: string | Uint8Array): void => {
    const bytes = typeof content === "string" ? Buffer.from(content, "utf8") : content;
    line(`data ${bytes.byteLength}`);
    chunks.push(bytes, Buffer.from("\n"));
  };

  line(`commit refs/heads/${commit.branch}`);
  line("mark :1");
  line(`author ${commit.identity} ${commit.seconds} +0000`);
  line(`committer ${commit.identity} ${commit.seconds} +0000`);
  data(commit.message);
  if (commit.parent !== undefined) line(`from ${commit.parent}`);
  for (const [path, file] of Object.entries(commit.files)) {
    if (file === null) {
      line(`D ${quote(path)}`);
    } else if (typeof file === "string" || file instanceof Uint8Array) {
      line(`M 100644 inline ${quote(path)}`);
      data(file);
    } else if ("symlink" in file) {
      line(`M 120000 inline ${quote(path)}`);
      data(file.symlink);
    } else {
      line(`M ${file.executable === true ? "100755" : "100644"} inline ${quote(path)}`);
      data(file.content);
    }
  }
  line("");
  line("get-mark :1");
  line("done");
  return Buffer.concat(chunks);
}

function quote(path: string): string {
  return `"${path.replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}
