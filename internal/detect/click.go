package detect

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// readClick fills e from a click's payload. Besides the fields of the published table it understands what some
// clients add: href, target, download, disabled, type (of an input), aria_label, ignore ("rage", "dead" or
// both) and the modifier keys.
func (e *evidence) readClick(payload string) bool {
	var tag, role, href, target, label, inputType string
	var hasHref, disabled, download, modifier bool
	places := 0
	for f := fieldsOf(payload); f.next(); {
		switch v := f.v; f.key {
		case "x":
			e.x = clamp(v.number())
			places++
		case "y":
			e.y = clamp(v.number())
			places++
		case "selector":
			e.ref = cut(v.text(), maxText)
		case "text":
			e.text = cut(v.text(), maxText)
		case "tag":
			tag = strings.ToLower(v.text())
		case "role":
			role = strings.ToLower(v.text())
		case "button":
			if v.number() != 0 {
				e.marks |= otherButton
			}
		case "interactive":
			switch v {
			case "true":
				e.marks |= active
			case "false":
				e.marks |= inert
			}
		case "href":
			href, hasHref = v.text(), true
		case "target":
			target = v.text()
		case "type":
			inputType = strings.ToLower(v.text())
		case "aria_label":
			label = v.text()
		case "download":
			download = v != "false" && v != "null"
		case "disabled":
			disabled = v.truth()
		case "ctrl", "meta", "shift", "alt":
			modifier = modifier || v.truth()
		case "modifiers":
			modifier = modifier || v.holds()
		case "ignore":
			if strings.Contains(string(v), "rage") {
				e.marks |= noRage
			}
			if strings.Contains(string(v), "dead") {
				e.marks |= noDead
			}
		}
	}
	if places < 2 {
		return false
	}
	if e.marks&(active|inert) == 0 && (tag != "" || role != "" || hasHref) {
		if takesClicks(tag, role, href, hasHref) {
			e.marks |= active
		} else {
			e.marks |= inert
		}
	}
	if isTextField(tag, role, inputType, e.ref) {
		e.marks |= textField
	}
	if role == "spinbutton" || inputType == "number" || isStepper(e.text) || isStepper(label) {
		e.marks |= stepper
	}
	if hidesAnswer(tag) {
		e.marks |= noDead
	}
	if download || disabled || modifier || target == "_blank" || isInput(tag, role) ||
		strings.HasPrefix(href, "mailto:") || strings.HasPrefix(href, "tel:") {
		e.marks |= leaves
	}
	return true
}

// takesClicks judges an element by what HTML says of it, where the client did not.
func takesClicks(tag, role, href string, hasHref bool) bool {
	switch role {
	case "button", "link", "checkbox", "radio", "switch", "tab", "menuitem", "menuitemcheckbox", "menuitemradio",
		"option", "slider", "spinbutton", "textbox", "searchbox", "combobox", "listbox", "treeitem", "gridcell":
		return true
	}
	switch tag {
	case "a", "area":
		return !hasHref || href != ""
	case "button", "input", "select", "textarea", "option", "summary", "label", "video", "audio", "iframe",
		"embed", "object":
		return true
	}
	return hasHref && href != ""
}

// hidesAnswer: what these elements do on a click is seen elsewhere or not at all.
func hidesAnswer(tag string) bool {
	switch tag {
	case "label", "option", "video", "audio", "iframe", "embed", "object":
		return true
	}
	return false
}

func isInput(tag, role string) bool {
	switch tag {
	case "input", "textarea", "select", "option":
		return true
	}
	return role == "textbox" || role == "searchbox" || role == "combobox" || role == "slider" || role == "spinbutton"
}

// isTextField: an input whose type is not known is taken for one, unless its role or selector tells.
func isTextField(tag, role, inputType, selector string) bool {
	switch role {
	case "textbox", "searchbox", "combobox":
		return true
	case "button", "checkbox", "radio", "switch", "slider", "link", "option", "tab", "menuitem":
		return false
	}
	if tag != "input" {
		return tag == "textarea"
	}
	switch inputType {
	case "button", "submit", "reset", "image", "checkbox", "radio", "range", "color", "file":
		return false
	case "":
		for _, kind := range [...]string{"button", "submit", "reset", "image", "checkbox", "radio", "range", "color", "file"} {
			if strings.Contains(selector, "type="+kind) || strings.Contains(selector, `type="`+kind) {
				return false
			}
		}
	}
	return true
}

// isStepper knows by its text or aria-label what is made to be clicked again and again: steppers, pagers,
// carousels. Words may stand with signs and a noun: "Next ›", "Next slide", "Increase quantity".
func isStepper(text string) bool {
	if text == "" || len(text) > 64 {
		return false
	}
	if c := text[0] | 0x20; c >= 'a' && c <= 'z' && strings.IndexByte("npidm", c) < 0 {
		return false // begins with a letter that no word below begins with
	}
	text = strings.TrimSpace(text)
	if text == "" || len(text) > 48 {
		return false
	}
	words := strings.TrimLeftFunc(text, betweenSteps)
	if words == "" {
		return true
	}
	first := words
	if end := strings.IndexFunc(words, betweenSteps); end >= 0 {
		first = words[:end]
	}
	if len(first) > len("increment") {
		return false
	}
	switch strings.ToLower(first) {
	case "next", "previous", "prev", "increase", "decrease", "increment", "decrement", "plus", "minus":
		return len(strings.FieldsFunc(words, betweenSteps)) <= 3
	}
	return false
}

// betweenSteps says whether a character is a space or a sign.
func betweenSteps(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '+' || r == '-' || r == '<' || r == '>' || unicode.IsSpace(r)
	}
	return unicode.IsSpace(r) || strings.ContainsRune(stepSigns, r)
}

const stepSigns = "+-−–＋－‹›«»<>←→↑↓⟨⟩❮❯▲▼◀▶◄►△▽⌃⌄⏪⏩"
