// A frame that goes from a live or recorded picture to the search, where persons are found in it.

const KEY = "picked-frame";
const WIDEST = 1920; // pixels; the browser keeps a few megabytes between two pages

// Opens the search with what an <img> or <video> shows now.
export function searchIn(shown) {
  const width = shown.naturalWidth || shown.videoWidth;
  const height = shown.naturalHeight || shown.videoHeight;
  if (!width) return;
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, WIDEST / width);
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage(shown, 0, 0, canvas.width, canvas.height);
  sessionStorage.setItem(KEY, canvas.toDataURL("image/jpeg", 0.92));
  location.assign("/search");
}

// The frame that was picked, once; null where there is none.
export function picked() {
  const address = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  if (!address) return null;
  const bytes = Uint8Array.from(atob(address.split(",")[1]), (letter) => letter.charCodeAt(0));
  return new File([bytes], "frame.jpg", { type: "image/jpeg" });
}
