// Keeps all files of the page, so that it works offline, and adds the headers that threads need to each.

const VERSION = `${registration.scope} @VERSION@`; // others may have caches on this host, too
const FILES = ["@FILES@"];
const GPU_FILES = /webgpu|asyncify/;

addEventListener("install", (event) => event.waitUntil(keep().then(() => skipWaiting())));
addEventListener("activate", (event) => event.waitUntil(forget().then(() => clients.claim())));
addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});

async function keep() {
  const hasGpu = Boolean(await navigator.gpu?.requestAdapter());
  const cache = await caches.open(VERSION);
  await cache.addAll(FILES.filter((name) => hasGpu || !GPU_FILES.test(name)));
}

async function forget() {
  const old = (await caches.keys()).filter((name) => name.startsWith(`${registration.scope} `) && name !== VERSION);
  await Promise.all(old.map((name) => caches.delete(name)));
}

async function answer(request) {
  const cache = await caches.open(VERSION);
  const found = (await cache.match(request, { ignoreSearch: true })) ?? (await fetch(request));
  const headers = new Headers(found.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}
