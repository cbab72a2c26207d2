export default function sendReceipt({ event, subscriberId }) {
  console.log(`${subscriberId}: ${event.data.orderId}`);
}

export const config = { event: "order.placed" };
