// Below clips.js: numbers of the tables become buttons that list their clips, which one player plays.
const data = JSON.parse(document.getElementById("data").textContent);
const video = document.getElementById("video");

function clipsOf(kind, row, side) {
  return data.clips[kind][row][side].map(([recording, start, stop]) => ({
    start, stop, source: data.footage[side][recording], name: data.names[side][recording],
    text: `${(stop - start).toFixed(1)} s${data.names[side].length > 1 ? `, ${data.names[side][recording]}` : ""}`,
  }));
}

document.querySelectorAll("table[data-kind]").forEach((table) => {
  [...table.tBodies[0].rows].forEach((row, number) => {
    row.querySelectorAll("[data-side]").forEach((place) => {
      const { side, what } = place.dataset;
      const clips = clipsOf(table.dataset.kind, number, Number(side));
      if (what.includes("longest")) clips.sort((a, b) => (b.stop - b.start) - (a.stop - a.start));
      const label = `${row.cells[0].textContent}, ${"AB"[side]}: ${what}`;
      place.replaceWith(numberButton(video, place.textContent, label, clips));
    });
  });
});
document.addEventListener("click", (event) => { // the player comes with the first clip
  if (event.target.closest(".clip")) document.getElementById("player").hidden = false;
});
video.addEventListener("loadstart", () => { document.getElementById("unplayable").hidden = true; });
video.addEventListener("error", () => { document.getElementById("unplayable").hidden = false; });
video.addEventListener("play", () => {
  document.getElementById("now").textContent = queue.length ? queue[0].name : "";
});
