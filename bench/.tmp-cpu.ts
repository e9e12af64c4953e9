import { buildSettingsFromEnv, openImageBuilder } from "@molecule-ai/image-build";
import { busyboxImage, findBuildx } from "@molecule-ai/testkit";
import { mkdir, writeFile } from "node:fs/promises";
import { createRig } from "./src/rig.js";
const rig=await createRig(); await busyboxImage(rig.socketPath);
const ctx="/tmp/hb/m/ctx"; const file=(await findBuildx()).file!;
const home="/tmp/hb/home"; await mkdir(home,{recursive:true});
const env={PATH:"/usr/bin:/bin",HOME:home,DOCKER_HOST:`unix://${rig.socketPath}`,DOCKER_CONFIG:home,BUILDX_CONFIG:home,MOLECULE_BUILDX_PATH:file,MOLECULE_BUILD_BACKEND:"buildx-docker"};
const b=openImageBuilder({engine:rig.engine,settings:buildSettingsFromEnv(env,{homeDirectory:home}),repositoryId:"x"});
for(let i=0;i<12;i++){ const c=process.cpuUsage(), t=performance.now(); const marks:string[]=[]; const r=await b.build({context:{kind:"directory",path:ctx},tags:["hb:cpu"],onEvent:e=>{ if(e.type==="build.vertex") marks.push(`${(performance.now()-t).toFixed(0)} ${e.status} ${e.name.slice(0,40)} ${"durationMs" in e?e.durationMs?.toFixed(0):""}`)}}); const d=process.cpuUsage(c); console.log("wall",(performance.now()-t).toFixed(0),"cpu",((d.user+d.system)/1000).toFixed(0)); if(i===11) console.log(marks.join("\n")); }
await rig[Symbol.asyncDispose]();
