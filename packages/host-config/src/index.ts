export type Tier = 1 | 2 | 3 | 4;
