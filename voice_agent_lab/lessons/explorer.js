// The page's side of an explorer: it draws the controls that `controls` describes, reports what a person
// sets in `values`, and shows what came back in `shown`. The kernel's side is explorer.py.
//
// All controls are the browser's own, with a label each, so that a keyboard and a screen reader know them.
// Nothing is throttled here: the model sends one message at a time and, until the kernel has taken it,
// keeps only the newest values.

function label(words, input) {
  const text = document.createElement("label");
  text.textContent = words;
  text.htmlFor = input.id = `explorer-${Math.random().toString(36).slice(2)}`;
  return text;
}

function slider({ low, high, step, digits }, changed) {
  const input = Object.assign(document.createElement("input"), { type: "range", min: low, max: high, step });
  // Whoever hears the page hears the slider itself say its value.
  const output = Object.assign(document.createElement("output"), { ariaLive: "off" });
  input.addEventListener("input", () => changed(input.valueAsNumber));
  const show = (value) => {
    if (input.valueAsNumber !== value) input.value = value;
    output.textContent = value.toFixed(digits);
  };
  return { show, elements: [input, output] };
}

function choice({ options }, changed) {
  const input = document.createElement("select");
  input.append(...options.map((option) => new Option(option, option)));
  input.addEventListener("change", () => changed(input.value));
  return { show: (value) => (input.value = value), elements: [input] };
}

function onOrOff(_, changed) {
  const input = Object.assign(document.createElement("input"), { type: "checkbox" });
  input.addEventListener("change", () => changed(input.checked));
  return { show: (value) => (input.checked = value), elements: [input] };
}

const KINDS = { slider, choice, switch: onOrOff };

function drawControls(model) {
  const inView = document.createElement("div");
  const folded = document.createElement("div");
  inView.className = folded.className = "explorer-controls";
  const shows = {};
  for (const control of model.get("controls")) {
    const changed = (value) => {
      model.set("values", { ...model.get("values"), [control.name]: value });
      model.save_changes();
    };
    const { show, elements } = KINDS[control.kind](control, changed);
    shows[control.name] = show;
    (control.folded ? folded : inView).append(label(control.label, elements[0]), ...elements);
  }
  const showValues = () => Object.entries(model.get("values")).forEach(([name, value]) => shows[name](value));
  showValues();
  model.on("change:values", showValues);
  if (!folded.children.length) return [inView];
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const number = model.get("controls").filter((control) => control.folded).length;
  summary.textContent = number === 1 ? "1 more control" : `${number} more controls`;
  details.append(summary, folded);
  return [inView, details];
}

function drawPicture(model) {
  const place = document.createElement("div");
  const image = document.createElement("img");
  const text = document.createElement("p");
  place.className = "explorer-picture";
  place.append(image, text);
  text.setAttribute("aria-live", "polite");
  let address = null;
  const show = () => {
    const { picture, width, height, alt, sentence, impossible } = model.get("shown");
    image.hidden = !picture;
    image.classList.toggle("explorer-earlier", impossible);
    text.classList.toggle("explorer-warning", impossible);
    text.textContent = sentence;
    if (!picture) return;
    // The same element keeps its place, and the earlier picture until the new one is decoded.
    const earlier = address;
    address = URL.createObjectURL(new Blob([picture], { type: "image/png" }));
    Object.assign(image, { src: address, alt, width, height });
    if (earlier) URL.revokeObjectURL(earlier);
  };
  show();
  model.on("change:shown", show);
  return place;
}

function render({ model, el }) {
  el.classList.add("explorer");
  el.append(...drawControls(model), drawPicture(model));
}

export default { render };
