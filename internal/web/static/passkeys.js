// What the pages of passkeys do. Their forms are sent when the browser has answered:
// what it says is in the field "credential". Binary values travel as base64url, which
// not every browser converts by itself.

const fromText = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const toText = (bytes) =>
	btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function fromOptions(o) {
	o.challenge = fromText(o.challenge);
	if (o.user) o.user.id = fromText(o.user.id);
	for (const c of [...(o.excludeCredentials || []), ...(o.allowCredentials || [])]) c.id = fromText(c.id);
	return o;
}

function toAnswer(made) {
	const response = {};
	for (const field of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
		if (made.response[field]) response[field] = toText(made.response[field]);
	}
	if (made.response.getTransports) response.transports = made.response.getTransports();
	return JSON.stringify({
		id: made.id, rawId: toText(made.rawId), type: made.type, response,
		authenticatorAttachment: made.authenticatorAttachment || undefined,
		clientExtensionResults: made.getClientExtensionResults(),
	});
}

async function askPasskey(form) {
	if (form.dataset.passkey === "create") {
		return navigator.credentials.create({ publicKey: fromOptions(JSON.parse(form.dataset.options)) });
	}
	const answer = await fetch(form.dataset.ask, { headers: { Accept: "application/json" } });
	if (!answer.ok) throw new Error("no question: " + answer.status);
	const { options, pending } = await answer.json();
	form.elements.pending.value = pending;
	return navigator.credentials.get({ publicKey: fromOptions(options) });
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
	if (window.PublicKeyCredential) form.hidden = false; // the sign-in offers what the browser can do
	let asking = false;
	form.addEventListener("submit", async (e) => {
		if (form.elements.credential.value) return;
		e.preventDefault();
		if (asking) return;
		asking = true;
		const why = form.querySelector("[role=alert]");
		why.hidden = true;
		try {
			form.elements.credential.value = toAnswer(await askPasskey(form));
			form.requestSubmit();
		} catch (error) {
			const { sayNone, sayHeld, sayCannot } = why.dataset;
			why.textContent = { NotAllowedError: sayNone, AbortError: sayNone, InvalidStateError: sayHeld }[error.name] || sayCannot;
			why.hidden = false;
		}
		asking = false;
	});
}

addEventListener("pageshow", () => {
	for (const form of document.querySelectorAll("form[data-passkey]")) form.elements.credential.value = ""; // an answer is good once
});
