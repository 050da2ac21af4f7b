// Gestures of a finger, each a second way to what a control on the page does: a swipe or a long press
// on a row opens its menu, a long press on a row without one begins to select, a long press on a message
// opens its menu, a pull refreshes an installed page. Loaded on touch screens only (feedback.js).
// Scrolling and selecting text come first, always.
"use strict";

(() => {
  const PRESS_MS = 600; // longer than browsers wait before they select a word
  const SLOP_PX = 10; // a finger is never quite still
  const PULL_PX = 80;
  const root = document.documentElement;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const menuOf = (row) => document.getElementById(row.querySelector(":scope > [popovertarget]")?.getAttribute("popovertarget"));
  const selectionOf = (row) => row.id && row.parentElement.dataset.select; // where several rows are selected
  const rowOf = (target) => {
    const row = target.closest(".list > li");
    return row && !target.closest("[popover], .swipe") && (menuOf(row) || selectionOf(row)) ? row : null;
  };
  const messageOf = (target) => {
    if (target.closest("a, button, input, textarea, select, label")) return null;
    const message = target.closest("#transcript .block");
    return message?.querySelector(":scope > .more") ? message : null;
  };

  // --- a row's actions, beside it -------------------------------------------------------------

  let swiped = null; // the row whose actions are shown

  const action = (label, kind, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = `swipe-action ${kind}`;
    made.textContent = label;
    made.addEventListener("click", () => {
      close();
      act();
    });
    return made;
  };

  // The last resort of the menu, such as Stop, and the way to all the others.
  const prepare = (row) => {
    if (row.querySelector(":scope > .swipe")) return;
    const menu = menuOf(row);
    const danger = menu.querySelector(".menu-danger");
    const strip = document.createElement("div");
    strip.className = "swipe";
    strip.role = "group";
    strip.ariaLabel = "Actions";
    strip.append(action("More", "", () => menu.showPopover()));
    if (danger) strip.append(action(danger.textContent.trim(), "swipe-danger", () => danger.click()));
    row.append(strip);
    row.classList.add("swiped");
  };
  const shift = (row, px) => row.style.setProperty("--swipe", `${px}px`);
  const widthOf = (row) => row.querySelector(":scope > .swipe").offsetWidth;

  const close = () => {
    const row = swiped;
    swiped = null;
    if (!row) return;
    delete row.dataset.moving;
    shift(row, 0);
    row.querySelector(":scope > .swipe")?.remove();
    row.classList.remove("swiped");
  };
  const reveal = (row) => {
    delete row.dataset.moving;
    shift(row, -widthOf(row));
    // With the focus in it, a row is not replaced by auto_refresh.js.
    row.querySelector(":scope > .swipe > button").focus({ preventScroll: true });
  };

  // --- one finger -------------------------------------------------------------------------------

  let touch = null; // { id, x, y, row, message, timer, from, isHeld, isSwipe }
  let swallowed = 0; // until when the click after a gesture is none

  const hold = () => {
    if (!touch || !getSelection().isCollapsed) return;
    touch.isHeld = true;
    (touch.row ?? touch.message).classList.add("held");
    navigator.vibrate?.(10);
  };
  const letGo = () => {
    clearTimeout(touch.timer);
    (touch.row ?? touch.message).classList.remove("held");
    touch = null;
  };

  addEventListener("pointerdown", ({ target, pointerType, isPrimary, pointerId: id, clientX: x, clientY: y }) => {
    if (swiped && !target.closest?.(".swipe")) {
      if (swiped.contains(target)) swallowed = Infinity; // this tap only puts the row back
      close();
      return;
    }
    if (pointerType !== "touch" || !isPrimary || touch) return;
    const row = rowOf(target);
    const message = row ? null : messageOf(target);
    if (row || message) touch = { id, x, y, row, message, timer: setTimeout(hold, PRESS_MS) };
  });

  addEventListener("pointermove", ({ pointerId, clientX, clientY }) => {
    if (touch?.id !== pointerId) return;
    const [dx, dy] = [clientX - touch.x, clientY - touch.y];
    if (!touch.isSwipe) {
      if (Math.hypot(dx, dy) < SLOP_PX) return;
      clearTimeout(touch.timer);
      if (touch.isHeld) return;
      if (!touch.row || !menuOf(touch.row) || dx > 0 || Math.abs(dx) < 1.5 * Math.abs(dy)) return letGo();
      touch.isSwipe = true;
      swiped = touch.row;
      prepare(swiped);
      swiped.dataset.moving = "";
    }
    touch.by = Math.max(dx, -widthOf(touch.row));
    if (!calm.matches) shift(touch.row, Math.min(0, touch.by));
  });

  const end = ({ type, pointerId }) => {
    if (swallowed === Infinity) swallowed = performance.now() + 400;
    if (touch?.id !== pointerId) return;
    const { row, message, isHeld, isSwipe, by } = touch;
    letGo();
    if (isSwipe) {
      if (type === "pointerup" && by < -widthOf(row) / 2) reveal(row);
      else close();
    } else if (isHeld) {
      swallowed = performance.now() + 400;
      // after the browser has closed what a tap elsewhere closes
      setTimeout(() => {
        if (row && !menuOf(row)) location.assign(`${selectionOf(row)}${row.id.replace("s-", "")}#${row.id}`);
        else if (row) menuOf(row).showPopover();
        else message.querySelector(":scope > .more").click();
      });
    }
  };
  addEventListener("pointerup", end);
  addEventListener("pointercancel", end);

  // A browser's own menu of a link gives way to the row's; all its others stay, and end the press.
  addEventListener("contextmenu", (event) => {
    if (!touch) return;
    if (!touch.row) return letGo();
    event.preventDefault();
    if (!touch.isHeld) hold();
  });
  addEventListener("click", (event) => {
    if (!event.isTrusted || performance.now() > swallowed) return;
    swallowed = 0;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  addEventListener("scroll", close, { passive: true });
  addEventListener("keydown", ({ key }) => key === "Escape" && close());

  // --- pull to refresh, where the browser has no button for it ----------------------------------

  const isInstalled = navigator.standalone || matchMedia("(display-mode: standalone)").matches;
  if (isInstalled) {
    const sign = document.createElement("div");
    sign.className = "pull";
    sign.ariaHidden = "true";
    document.body.append(sign);
    let from = null; // where the finger began, at the top of the page
    let by = 0;

    const canPull = (target) => {
      if (scrollY > 0 || document.querySelector("#earlier a")) return false; // there a pull shows more
      if (target.closest("[popover], dialog, textarea, input, select")) return false;
      for (let each = target; each && each !== document.body; each = each.parentElement) if (each.scrollTop > 0) return false;
      return true;
    };
    const show = () => {
      root.style.setProperty("--pull", `${Math.min(by, PULL_PX * 1.3)}px`);
      sign.classList.toggle("pull-ready", by >= PULL_PX);
    };
    const stop = () => {
      from = null;
      by = 0;
      show();
    };
    const passive = { passive: true }; // a pointer's events end when the browser scrolls; these do not
    addEventListener("touchstart", ({ target, touches }) => {
      from = touches.length === 1 && canPull(target) ? { x: touches[0].clientX, y: touches[0].clientY } : null;
    }, passive);
    addEventListener("touchmove", ({ touches: [{ clientX, clientY }] }) => {
      if (!from) return;
      const dy = clientY - from.y;
      if (dy < 0 || scrollY > 0 || Math.abs(clientX - from.x) > Math.max(dy, SLOP_PX)) return stop();
      by = Math.max(0, dy - SLOP_PX) / 2; // it resists
      show();
    }, passive);
    addEventListener("touchend", () => {
      if (from && by >= PULL_PX) {
        root.dataset.going = "";
        location.reload();
      }
      stop();
    });
    addEventListener("touchcancel", stop);
  }

  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = document.body.dataset.gestures.split(" ")[1];
  document.head.append(style);
})();
