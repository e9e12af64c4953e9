import { describe, expect, it } from "vitest";
import { lookUpUser, numericUser } from "./image-user.js";

const PASSWD = "root:x:0:0:root:/root:/bin/sh\nagent:x:1000:1001:agent:/home/agent:/bin/sh\n";
const GROUP = "root:x:0:\nstaff:x:50:agent\n";

describe("the user of an image", () => {
  it.each([
    ["", { uid: 0, gid: 0 }],
    ["root", { uid: 0, gid: 0 }],
    ["0", { uid: 0, gid: 0 }],
    ["0:0", { uid: 0, gid: 0 }],
    ["1000:50", { uid: 1000, gid: 50 }],
    ["1000", undefined],
    ["agent", undefined],
    ["agent:50", undefined],
  ])("%j needs a look into the image only for names", (user, expected) => {
    expect(numericUser(user)).toEqual(expected);
  });

  it.each([
    ["agent", { uid: 1000, gid: 1001 }],
    ["1000", { uid: 1000, gid: 1001 }],
    ["agent:staff", { uid: 1000, gid: 50 }],
    ["agent:7", { uid: 1000, gid: 7 }],
    ["4242", { uid: 4242, gid: 0 }],
    ["nobody-knows", { uid: 0, gid: 0 }],
  ])("%s is looked up as the engine does", (user, expected) => {
    expect(lookUpUser(user, PASSWD, GROUP)).toEqual(expected);
  });
});
