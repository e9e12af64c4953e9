/** One real use of every public library; `api` is the installed package, `assert` is node:assert. */
export const USES = {
  "@molecule-ai/core": `
    assert.match(api.createWorkspaceId(), /^[0-9a-f-]{36}$/);
    assert.equal(api.redactUserinfo("https://user:secret@host/x").includes("secret"), false);`,
};
