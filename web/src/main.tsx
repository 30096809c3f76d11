import { render } from "preact";
import "./style.css";
import "./pages.css";
import { Shell } from "./parts/Shell";
import { begin } from "./state";

void begin();
render(<Shell />, document.getElementById("app") as HTMLElement);
