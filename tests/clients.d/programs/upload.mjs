// Uploads with one of Node's clients: node upload.mjs CLIENT WAY. Run beside a node_modules with the clients.
import { Blob, File } from "node:buffer";
import fs from "node:fs";
import https from "node:https";
import { Readable } from "node:stream";
import { createRequire } from "node:module";

const { UPLOAD_URL: url, UPLOAD_USER: user, UPLOAD_PASSWORD: password } = process.env;
const { UPLOAD_CERTIFICATE: certificate, UPLOAD_FILE: path } = process.env;
const [client, way] = process.argv.slice(2);
const NAME_WITH_ACCENTS = 'Schüler "5a"; März.csv';
const MULTIPART = { "Content-Type": "multipart/form-data" };
const authorization = "Basic " + Buffer.from(`${user}:${password}`).toString("base64");
const read = () => fs.readFileSync(path);
const ca = () => fs.readFileSync(certificate);
const agent = () => new https.Agent({ ca: ca() });

const blob = () => new Blob([read()], { type: "text/csv" });
const blobForm = (name = "users.csv") => formOf(blob(), name);

function formOf(...value) {
  const form = new FormData();
  form.append("file", ...value);
  return form;
}

async function packageForm(...value) {
  const { default: Form } = await import("form-data");
  const form = new Form();
  form.append("file", ...value);
  return form;
}

const fileForm = () => packageForm(fs.createReadStream(path));

function crlfForm(boundary) {
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="users.csv"\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), read(), Buffer.from(`\r\n--${boundary}--\r\n`)]);
}

function answer(status, body) {
  console.log(body);
  console.log(status);
}

// The built-in fetch trusts the certificate by NODE_EXTRA_CA_CERTS, which has to be set before Node starts.
async function withFetch() {
  const made = { "Content-Type": "multipart/form-data; boundary=made" };
  const send = {
    blob: () => ({ body: blobForm() }),
    file: () => ({ body: formOf(new File([read()], "users.csv")) }),
    "blob-only": () => ({ body: formOf(blob()) }),
    name: () => ({ body: blobForm(NAME_WITH_ACCENTS) }),
    crlf: () => ({ body: crlfForm("made"), headers: made }),
    stream: () => ({ body: Readable.toWeb(Readable.from([crlfForm("made")])), headers: made, duplex: "half" }),
    text: () => ({ body: formOf(read().toString()) }),
    "content-type": () => ({ body: blobForm(), headers: MULTIPART }),
    body: () => ({ body: read() }),
  }[way]();
  const response = await fetch(url, { method: "POST", ...send, headers: { authorization, ...send.headers } });
  answer(response.status, await response.text());
}

async function withAxios() {
  const { default: axios } = await import("axios");
  const options = {
    httpsAgent: agent(),
    auth: { username: user, password },
    responseType: "text",
    transformResponse: (text) => text,
    validateStatus: () => true,
    proxy: false,
  };
  const response = await {
    blob: () => axios.post(url, blobForm(), options),
    "form-data": async () => axios.post(url, await fileForm(), options),
    name: () => axios.post(url, blobForm(NAME_WITH_ACCENTS), options),
    "content-type": () => axios.post(url, blobForm(), { ...options, headers: MULTIPART }),
    "post-form": () => axios.postForm(url, { file: fs.createReadStream(path) }, options),
    text: () => axios.postForm(url, { file: read().toString() }, options),
    body: () => axios.post(url, read(), options),
  }[way]();
  answer(response.status, response.data);
}

async function withUndici() {
  const { Agent, FormData: UndiciForm, request } = await import("undici");
  const dispatcher = new Agent({ connect: { ca: ca() }, allowH2: way === "http2" });
  const form = new UndiciForm();
  form.append("file", blob(), "users.csv");
  const response = await request(url, { method: "POST", headers: { authorization }, body: form, dispatcher });
  answer(response.statusCode, await response.body.text());
}

async function withFormData() {
  const form = way === "text" ? await packageForm(read().toString()) : await fileForm();
  const { hostname, port, pathname, search } = new URL(url);
  const options = { method: "post", hostname, host: hostname, port, path: pathname + search, ca: ca() };
  const response = await new Promise((resolve, reject) => {
    if (way === "submit") {
      const login = { ...options, protocol: "https:", auth: `${user}:${password}` };
      form.submit(login, (error, response) => (error ? reject(error) : resolve(response)));
    } else {
      const headers = { ...form.getHeaders(), authorization };
      form.pipe(https.request({ ...options, headers }, resolve).on("error", reject));
    }
  });
  answer(response.statusCode, Buffer.concat(await response.toArray()).toString());
}

async function withGot() {
  const { default: got } = await import("got");
  const response = await got.post(url, {
    body: blobForm(),
    headers: { authorization },
    https: { certificateAuthority: ca() },
    throwHttpErrors: false,
    retry: { limit: 0 },
  });
  answer(response.statusCode, response.body);
}

async function withNodeFetch() {
  const { default: nodeFetch } = await import("node-fetch");
  const body = way === "form-data" ? await fileForm() : blobForm();
  const response = await nodeFetch(url, { method: "POST", headers: { authorization }, body, agent: agent() });
  answer(response.status, await response.text());
}

async function withSuperagent() {
  const { default: superagent } = await import("superagent");
  const request = superagent.post(url).ca(ca()).auth(user, password).ok(() => true).attach("file", path);
  const response = await request;
  answer(response.status, response.text);
}

async function version() {
  if (client === "fetch") return typeof fetch === "function" ? process.version : Promise.reject(new Error("no fetch"));
  await import(client);
  const require = createRequire(import.meta.url);
  const search = require.resolve.paths(client).map((folder) => `${folder}/${client}/package.json`);
  return JSON.parse(fs.readFileSync(search.find((file) => fs.existsSync(file)))).version;
}

const CLIENTS = {
  fetch: withFetch,
  axios: withAxios,
  undici: withUndici,
  "form-data": withFormData,
  got: withGot,
  "node-fetch": withNodeFetch,
  superagent: withSuperagent,
};

if (way === "version") console.log(await version());
else await CLIENTS[client]();
