import { applicationConfig } from "../../tsup.shared.ts";

export default applicationConfig;
