let isRenderDue = false
let draw = () => {}

/** Says what drawing is; what comes before is drawn with the first frame after. */
export function drawWith (render) {
  draw = render
}

/** Draws with the next frame, however often it is asked for until then. */
export function requestRender () {
  if (isRenderDue) return
  isRenderDue = true
  requestAnimationFrame(() => {
    isRenderDue = false
    draw()
  })
}
