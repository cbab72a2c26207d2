/** Stands for a bank: refuses the card that everybody uses to try refusals. */
export class PaymentGateway {
  charge(card: string, _cents: number): string {
    if (card.endsWith("0002")) throw new Error("card declined");
    return `charge for the card ending in ${card.slice(-4)}`;
  }
}
