"""How the page looks and is used: widths, themes, contrast, names, keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.support.browser import DemoPage

SHOTS = Path(__file__).resolve().parents[2] / "target" / "browser"
"""Where pictures go, for people to look at."""

CONTRAST = """() => {
  const parse = (colour) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d");
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour[3] > 200) return colour;
    }
    return parse(getComputedStyle(document.body).backgroundColor);
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = texts.nextNode()); ) {
    const element = text.parentElement;
    if (!text.data.trim() || element.closest(":disabled, noscript, script, .unseen, .skip")) continue;
    const a = luminance(parse(getComputedStyle(element).color)), b = luminance(ground(element));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${text.data.trim()}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""
"""Texts whose contrast on their ground is below 4.5:1 (WCAG 2.2, success criterion 1.4.3)."""


async def furnish(demo: DemoPage) -> None:
    """Something of everything: rounds in several states, a call, a bill."""
    for action in ("add", "remove"):
        await demo.pane("t6").locator(f'button[data-action={action}][data-dish="flan"]').click()
    await demo.order(2, "empanadas", "malbec", "trout")
    await demo.press("ana", "confirm", 2)
    await demo.press("ana", "submit", 2)
    await demo.press("kitchen", "start", 2)
    await demo.order(2, "flan", "gnocchi")
    await demo.order(6, "trout", "provoleta")
    await demo.press("bruno", "confirm", 6)
    await demo.press("t2", "call")
    await demo.press("t6", "bill")
    await demo.press("ana", "seat", 1)
    await expect(demo.button("ana", "acknowledge", 2)).to_be_visible()
    await expect(demo.button("bruno", "pay", 6)).to_be_visible()
    await demo.pane("t6").locator('button[data-action=add][data-dish="malbec"]').click()
    await expect(demo.pane("t6").locator("output")).to_have_text("1")


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1440, 2200])
async def test_nothing_is_wider_than_the_window(width: int, demo: DemoPage) -> None:
    await demo.open(width=width)
    await furnish(demo)
    assert await demo.evaluate("document.documentElement.scrollWidth") <= width
    # What is cut off inside its pane would not show above.
    outside = await demo.evaluate(
        """() => [...document.querySelectorAll(".pane button, .pane .chip, .pane h2, .pane h3, .pane article")]
        .filter((e) => e.getBoundingClientRect().right > e.closest(".pane").getBoundingClientRect().right + 0.5)
        .map((e) => e.textContent)"""
    )
    assert outside == []


@pytest.mark.parametrize("context", [{"color_scheme": "light"}, {"color_scheme": "dark"}], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440], ids=["phone", "desktop"])
async def test_every_text_can_be_read(width: int, context: dict[str, Any], demo: DemoPage) -> None:
    await demo.open(width=width)
    await furnish(demo)
    await demo.press("kitchen", "cut")
    await expect(demo.pane("kitchen")).to_have_attribute("data-status", "cut")
    await demo.press("kitchen", "restore")
    await expect(demo.pane("kitchen").locator(".absence")).to_be_visible()
    # Colours are measured where they have come to rest.
    await demo.evaluate("Promise.allSettled(document.getAnimations().map(({ finished }) => finished)).then(() => 0)")
    await demo.evaluate("scrollTo(0, 0)")
    SHOTS.mkdir(parents=True, exist_ok=True)
    name = f"{context['color_scheme']}-{width}.png"
    await demo.page.screenshot(path=SHOTS / name, full_page=True)
    assert await demo.evaluate(CONTRAST) == []


async def test_the_theme_is_chosen_and_kept(demo: DemoPage) -> None:
    await demo.open()
    button = demo.page.locator("#theme")
    await expect(button).to_have_accessible_name("Theme: as the system")
    await button.click()
    await expect(button).to_have_text("Light")
    await button.click()
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = await demo.evaluate(ground)
    await demo.page.reload()
    await demo.online()
    await expect(button).to_have_text("Dark")
    assert await demo.evaluate(ground) == dark
    await button.click()
    assert await demo.evaluate(ground) != dark, "the system's is light"


async def test_everything_has_a_name(demo: DemoPage) -> None:
    await demo.open()
    await furnish(demo)
    page = demo.page
    await expect(page).to_have_title("La Luna · Fanout Gateway")
    await expect(page.locator("h1")).to_have_count(1)
    assert await demo.evaluate("document.documentElement.lang") == "en"
    for name in ("Ana", "Bruno", "Kitchen", "Clara", "Table 2", "Table 6"):
        await expect(page.get_by_role("region", name=name, exact=True)).to_be_visible()
        await expect(page.get_by_role("list", name=f"Events of {name}")).to_have_count(1)
    await expect(page.get_by_role("navigation", name="Connections").get_by_role("link")).to_have_count(6)
    await expect(page.get_by_role("link", name="Kitchen online")).to_have_count(1)
    await expect(page.get_by_role("status")).to_have_count(2)  # the announcer, and the count in a cart
    for button in await page.get_by_role("button").all():
        assert await button.evaluate("(b) => (b.getAttribute('aria-label') ?? b.textContent).trim()")
    ids = await demo.evaluate("[...document.querySelectorAll('[id]')].map(({ id }) => id)")
    assert len(ids) == len(set(ids))


async def test_it_is_used_by_keyboard_and_focus_stays_where_one_works(demo: DemoPage) -> None:
    await demo.open()
    page = demo.page
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_text("Skip to the restaurant")
    await page.keyboard.press("Enter")
    await expect(page.locator("#room")).to_be_focused()
    await demo.pane("t2").locator('button[data-action=add][data-dish="flan"]').focus()
    await page.keyboard.press("Enter")
    # One more stands before it now, and it has the focus still.
    await expect(demo.pane("t2").locator("output")).to_have_text("1")
    await expect(page.locator(":focus")).to_have_accessible_name("Add Flan")
    await page.keyboard.press("Shift+Tab")
    await expect(page.locator(":focus")).to_have_accessible_name("One Flan less")
    await demo.button("t2", "order").focus()
    await page.keyboard.press("Enter")
    confirm = demo.button("ana", "confirm", 2)
    await confirm.focus()
    await page.keyboard.press("Space")
    # The same round, the next thing to do.
    await expect(demo.button("ana", "submit", 2)).to_be_focused()
    await page.keyboard.press("Space")
    # Nothing is left to do there: whoever works here goes on in this pane.
    await demo.hears("ana", "ROUND_SUBMITTED", table=2)
    await expect(demo.pane("ana")).to_be_focused()
    outline = await demo.button("kitchen", "start", 2).evaluate(
        "(b) => { b.focus({ focusVisible: true }); return getComputedStyle(b).outlineStyle; }"
    )
    assert outline == "solid"
