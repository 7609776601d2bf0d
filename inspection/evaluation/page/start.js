// Everything that needs a script is hidden until it runs.

document.documentElement.classList.add("js");
startConfusion();
startOperating();
