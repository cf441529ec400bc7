// What products and levels are called on the page.
export const NAMES = { ballscrew: "ball screw" };
export const LEVELS = ["top", "level 3", "level 2", "level 1", "level 0"];

const ONE = { ballscrew: "a ball screw", board: "a board", capsule: "a capsule", gear: "a gear" };

export const oneOf = (product) => ONE[product] ?? product;
