// The colours of a terminal, light or dark as its page.

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const PALETTES = {
  light: {
    plain: ["#172123", "#b0261d", "#1a7440", "#7a5200", "#1d4ea8", "#8f2585", "#0a6c74", "#5b6b6e"],
    bright: ["#526367", "#c4372d", "#1f8a4c", "#8f6100", "#2a62cc", "#a8359c", "#0d7f88", "#172123"],
  },
  dark: {
    plain: ["#2c383b", "#ff8f85", "#6fd093", "#efba66", "#93baff", "#d9a3ee", "#5cc5c9", "#cfd8da"],
    bright: ["#71858a", "#ffb3ac", "#97e0b1", "#f6d08f", "#b4cfff", "#e6c3f5", "#8adde0", "#ffffff"],
  },
};
export const coloursOf = (box) => {
  const { backgroundColor, color } = getComputedStyle(box);
  const luminance = backgroundColor.match(/[\d.]+/g).slice(0, 3).reduce((sum, each) => sum + +each, 0);
  const { plain, bright } = PALETTES[luminance > 384 ? "light" : "dark"];
  const colours = { background: backgroundColor, foreground: color, cursor: color, cursorAccent: backgroundColor };
  NAMES.forEach((name, number) => {
    colours[name] = plain[number];
    colours[`bright${name[0].toUpperCase()}${name.slice(1)}`] = bright[number];
  });
  colours.selectionBackground = luminance > 384 ? "#9fd3d6" : "#2f5d62";
  return colours;
};
